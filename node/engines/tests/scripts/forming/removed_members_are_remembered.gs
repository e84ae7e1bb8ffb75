members 1,2,3 voters=1,2
members 1,3
status
members 1,4,5
blank
status
reopen
status
---
