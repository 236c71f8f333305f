"""The inbox of dead letters: looks, causes, masks, pages, command."""
