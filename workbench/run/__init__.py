"""Running a recipe: the chain of candidates, their scores and profiles, the report; from the store or made."""
