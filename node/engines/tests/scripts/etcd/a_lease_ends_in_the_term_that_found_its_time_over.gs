# Entries here are of term 1. One of another term ends nothing; nor does one for a lease that is gone.
members 1
genesis voters=1
raise 2
grant 7 60
step "put a 1 7"
expire 7 2
query a
expire 7 1
query a
expire 7 1
---
accepted 0.0.0
accepted 0.0.1 | done
accepted 0.0.2 | done
accepted 0.0.3 | lease 7 at revision 1
accepted 0.0.4 | after revision 1: put
accepted 0.0.5 | revoked at revision 2
revision 2
a "1" created=2 modified=2 version=1 lease=7
count 1 more false
accepted 0.0.6 | revoked at revision 3
revision 3
count 0 more false
accepted 0.0.7 | revoked at revision 3
