members 1
genesis voters=1
raise 2
step "put a 1"
step "put a 2"
step "put a 3"
compact 2
query a at=1
query a at=2
txn "then get-at 1 a"
compact 2
compact 1
compact 9
query a at=9
txn "then get-at 9 a"
reopen
query a at=1
query a at=2
---
accepted 0.0.0
accepted 0.0.1 | done
accepted 0.0.2 | done
accepted 0.0.3 | after revision 0: put
accepted 0.0.4 | after revision 1: put
accepted 0.0.5 | after revision 2: put
accepted 0.0.6 | done at revision 3
rejected: the history before that revision was given up
revision 3
a "2" created=1 modified=2 version=2 lease=0
count 1 more false
rejected: the history before that revision was given up
rejected: the history before that revision was given up
rejected: the history before that revision was given up
rejected: no write has had that revision yet
rejected: no write has had that revision yet
rejected: no write has had that revision yet
rejected: the history before that revision was given up
revision 3
a "2" created=1 modified=2 version=2 lease=0
count 1 more false
