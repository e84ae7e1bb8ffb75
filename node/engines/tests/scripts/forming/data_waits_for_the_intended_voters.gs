# Nothing is formed: data is refused, the cluster's own commands are not.
members 1
put a 1
delete a
noop
status
---

genesis voters=3
put a 1
members 1,2,3 voters=1
members 1,2,3 voters=1,2
put a 1
members 1,2,3
put a 1
status
---

# Once open it stays open.
members 1,2 voters=1,2
put a 2
reopen
put a 3
status
---
