"""The console's Textual widgets: each shows what it is given and reports what a person does in messages."""
