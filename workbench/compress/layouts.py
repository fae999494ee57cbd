"""The block-removal layouts of BK-SDM (arXiv 2305.15798; repository src/unet_config*) and the copy map of any layout.

A layout is the list of teacher modules that it drops. The student's module names follow from what is left, since
diffusers numbers the layers of a block in order; the map student -> teacher is derived from that, and for Base, Small
and Tiny it is the published one.
"""
