"""The Django project of Weir and its one app."""
