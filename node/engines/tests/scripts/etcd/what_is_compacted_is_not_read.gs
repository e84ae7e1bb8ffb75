members 1
genesis voters=1
raise 2
step "put a 1"
step "put a 2"
step "put a 3"
compact 3
query a at=2
query a at=3
txn "then get-at 2 a"
compact 3
compact 2
compact 10
query a at=10
txn "then get-at 10 a"
reopen
query a at=2
query a at=3
---
accepted 0.0.0
accepted 0.0.1 | done
accepted 0.0.2 | done
accepted 0.0.3 | after revision 1: put
accepted 0.0.4 | after revision 2: put
accepted 0.0.5 | after revision 3: put
accepted 0.0.6 | done at revision 4
rejected: the history before that revision was given up
revision 4
a "2" created=2 modified=3 version=2 lease=0
count 1 more false
rejected: the history before that revision was given up
rejected: the history before that revision was given up
rejected: the history before that revision was given up
rejected: no write has had that revision yet
rejected: no write has had that revision yet
rejected: no write has had that revision yet
rejected: the history before that revision was given up
revision 4
a "2" created=2 modified=3 version=2 lease=0
count 1 more false
