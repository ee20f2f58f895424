"""The declaration of a rotation: its model, its rules, and the places it comes from."""
