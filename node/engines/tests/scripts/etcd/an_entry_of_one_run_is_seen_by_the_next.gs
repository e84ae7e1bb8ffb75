# Values too, though the storage does not have them yet.
members 1
genesis voters=1
raise 2
run
step "put a 1"
txn "if value = 1 of a" "then put b 1"
txn "if value = 1 of a c" "then delete a c"
txn "if version = 0 of a c" "then put a 2"
step "keep-lease a 3"
end
query a ".."
---
accepted 0.0.0
accepted 0.0.1 | done
accepted 0.0.2 | done
accepted 0.0.3 | after revision 1: put
accepted 0.0.4 | after revision 2: then [put]
accepted 0.0.5 | after revision 3: then [delete 2]
accepted 0.0.6 | after revision 4: then [put]
accepted 0.0.7 | after revision 5: put
revision 6
a "3" created=5 modified=6 version=2 lease=0
count 1 more false
