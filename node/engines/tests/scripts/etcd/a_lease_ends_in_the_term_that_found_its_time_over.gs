# Entries here are of term 1. One of another term ends nothing; nor does one for a lease that is gone, or for an earlier one of
# the same name: the lease was granted by entry 3, and later by entry 10.
members 1
genesis voters=1
raise 2
grant 7 60
step "put a 1 7"
expire 7 3 2
query a
expire 7 3 1
query a
expire 7 3 1
grant 7 60
step "put a 2 7"
expire 7 3 1
query a
expire 7 9 1
query a
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
accepted 0.0.8 | lease 7 at revision 3
accepted 0.0.9 | after revision 3: put
accepted 0.0.10 | revoked at revision 4
revision 4
a "2" created=4 modified=4 version=1 lease=7
count 1 more false
accepted 0.0.11 | revoked at revision 4
revision 4
a "2" created=4 modified=4 version=1 lease=7
count 1 more false
