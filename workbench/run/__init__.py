"""Running a recipe: the chain of candidates, their scores and profiles, the report; all of it from the store or made."""
