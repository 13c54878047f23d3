"""Modal dialogs: confirmation, form, selection, silence, text."""
