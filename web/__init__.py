"""The pages people open and the open interfaces."""
