"""The pictures of the pages, drawn from the code that they show."""
