"""What every declaration is written with: types, choices, ways in, credentials, and what is said of problems."""
