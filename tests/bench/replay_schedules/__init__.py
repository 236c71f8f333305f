"""Random schedules by the thousand. A package: a module that is run by its name is imported anew by every life."""
