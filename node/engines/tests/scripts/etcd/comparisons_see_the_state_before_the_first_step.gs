members 1
genesis voters=1
raise 2
step "put a 1"
txn "then put a 2" "then (" "if value = 1 of a" "then put saw 1" "else put saw 2" ")"
query saw
---
accepted 0.0.0
accepted 0.0.1 | done
accepted 0.0.2 | done
accepted 0.0.3 | after revision 1: put
accepted 0.0.4 | after revision 2: then [put, then [put]]
revision 3
saw "1" created=3 modified=3 version=1 lease=0
count 1 more false

# A key that is not there is all zero, and has no value.
txn "if version = 0 of x" "if created = 0 of x" "if modified = 0 of x" "if lease = 0 of x" "then put y 1"
txn "if value != 1 of x" "then put z 1" "else get x"
---
accepted 0.0.5 | after revision 3: then [put]
accepted 0.0.6 | after revision 4: else [range]

# Over a range a comparison must hold for each key.
txn "if version = 1 of s z" "then get a"
txn "if version = 1 of a .." "then get a"
txn "if modified > 2 of a" "if modified < 4 of a" "if created = 2 of a" "if created != 3 of a" "then get a"
---
accepted 0.0.7 | after revision 4: then [range]
accepted 0.0.8 | after revision 4: else []
accepted 0.0.9 | after revision 4: then [range]
