# All that a transaction changes has one revision; what it reads it reads as it is by then.
members 1
genesis voters=1
raise 2
step "put a 1"
txn "if value = 1 of a" "then put b 1" "then get a c" "then put c 1" "then delete a" "then get a .." "else put no 1"
---
accepted 0.0.0
accepted 0.0.1 | done
accepted 0.0.2 | done
accepted 0.0.3 | after revision 1: put
accepted 0.0.4 | after revision 2: then [put, range, put, delete 1, range]

# What the steps of it saw: before the first change, after the first, after all three.
query a ".." after=2 changes=0
query a ".." after=2 changes=1
query a ".." after=2 changes=3
query a ".."
---
a "1" created=2 modified=2 version=1 lease=0
count 1 more false
a "1" created=2 modified=2 version=1 lease=0
b "1" created=3 modified=3 version=1 lease=0
count 2 more false
b "1" created=3 modified=3 version=1 lease=0
c "1" created=3 modified=3 version=1 lease=0
count 2 more false
revision 3
b "1" created=3 modified=3 version=1 lease=0
c "1" created=3 modified=3 version=1 lease=0
count 2 more false

# Nothing changed, no revision.
txn "if version > 0 of a" "then put b 2" "else get b"
txn "if version = 0 of a" "then delete x y"
status
---
accepted 0.0.5 | after revision 3: else [range]
accepted 0.0.6 | after revision 3: then [delete 0]
position 0.0.6 revision 3
cluster 000102030405060708090a0b0c0d0e0f intended voters 1 open true
membership {1} at 0 removed {}
incarnation 0 level 2
