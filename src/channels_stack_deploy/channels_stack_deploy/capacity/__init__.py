"""`make capacity`: how many people the application can serve on this machine (docs/how-to/capacity.md)."""
