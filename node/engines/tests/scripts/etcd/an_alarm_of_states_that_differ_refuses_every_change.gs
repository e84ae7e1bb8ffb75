members 1
genesis voters=1
raise 2
grant 7 60
put a 1
activate corrupt 1
put a 2
delete a
step "delete a"
txn "then get a"
txn "then get a" "else delete a"
compact 2
grant 8 60
revoke 7
expire 7 3 1
noop
sweep
query a
deactivate corrupt 1
put a 2
---
accepted 0.0.0
accepted 0.0.1 | done
accepted 0.0.2 | done
accepted 0.0.3 | lease 7 at revision 1
accepted 0.0.4 | put revision=2 created=true
accepted 0.0.5 | was active: false
rejected: the states of members are not equal, says an alarm: nothing is changed until it ends
rejected: the states of members are not equal, says an alarm: nothing is changed until it ends
rejected: the states of members are not equal, says an alarm: nothing is changed until it ends
accepted 0.0.9 | after revision 2: then [range]
rejected: the states of members are not equal, says an alarm: nothing is changed until it ends
rejected: the states of members are not equal, says an alarm: nothing is changed until it ends
rejected: the states of members are not equal, says an alarm: nothing is changed until it ends
rejected: the states of members are not equal, says an alarm: nothing is changed until it ends
rejected: the states of members are not equal, says an alarm: nothing is changed until it ends
accepted 0.0.15 | done
accepted 0.0.16 | done at revision 2
revision 2
a "1" created=2 modified=2 version=1 lease=0
count 1 more false
accepted 0.0.17 | was active: true
accepted 0.0.18 | put revision=3 created=false
