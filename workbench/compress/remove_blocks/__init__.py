"""The step ``remove_blocks``: BK-SDM's layouts or any list, and weights copied from the parent."""
