# What keys are moved here from another store: the revisions go on above its own, and nobody is told of what lies before. An
# advance never lowers, and the same one again changes nothing.
members 1
genesis voters=1
raise 2
put old 1
advance 1000
status
query old
query old at=2
query old at=1000
step "put a 1"
query a
advance 1000
advance 7
advance 1001
query a at=1000
query a at=1001
sweep
reopen
status
query old
query a
---
accepted 0.0.0
accepted 0.0.1 | done
accepted 0.0.2 | done
accepted 0.0.3 | put revision=2 created=true
accepted 0.0.4 | done at revision 1000
position 0.0.4 revision 1000
cluster 000102030405060708090a0b0c0d0e0f intended voters 1 open true
membership {1} at 0 removed {}
incarnation 0 level 2
revision 1000
old "1" created=2 modified=2 version=1 lease=0
count 1 more false
rejected: the history before that revision was given up
revision 1000
old "1" created=2 modified=2 version=1 lease=0
count 1 more false
accepted 0.0.5 | after revision 1000: put
revision 1001
a "1" created=1001 modified=1001 version=1 lease=0
count 1 more false
accepted 0.0.6 | done at revision 1001
accepted 0.0.7 | done at revision 1001
accepted 0.0.8 | done at revision 1001
rejected: the history before that revision was given up
revision 1001
a "1" created=1001 modified=1001 version=1 lease=0
count 1 more false
accepted 0.0.9 | done at revision 1001
position 0.0.9 revision 1001
cluster 000102030405060708090a0b0c0d0e0f intended voters 1 open true
membership {1} at 0 removed {}
incarnation 0 level 2
revision 1001
old "1" created=2 modified=2 version=1 lease=0
count 1 more false
revision 1001
a "1" created=1001 modified=1001 version=1 lease=0
count 1 more false

# Below the last revision it gives up as much as a compaction would.
entry "step put a 2" "step put a 3" "step put a 4"
advance 1003
query a at=1002
query a at=1003
compact 1003
compact 1004
advance 1003
---
accepted 0.0.10 | after revision 1001: put | after revision 1002: put | after revision 1003: put
accepted 0.0.11 | done at revision 1004
rejected: the history before that revision was given up
revision 1004
a "3" created=1001 modified=1003 version=3 lease=0
count 1 more false
rejected: the history before that revision was given up
accepted 0.0.13 | done at revision 1004
accepted 0.0.14 | done at revision 1004

# As many revisions as went before are left to clients.
advance 4611686018427387905
advance 18446744073709551615
advance 4611686018427387904
put a 5
query a
activate corrupt 1
advance 4611686018427387904
---
rejected: no write has had that revision yet
rejected: no write has had that revision yet
accepted 0.0.17 | done at revision 4611686018427387904
accepted 0.0.18 | put revision=4611686018427387905 created=false
revision 4611686018427387905
a "5" created=1001 modified=4611686018427387905 version=5 lease=0
count 1 more false
accepted 0.0.19 | was active: false
rejected: the states of members are not equal, says an alarm: nothing is changed until it ends
