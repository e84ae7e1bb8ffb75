# What puts anywhere is refused while a member has no room, in whichever branch: before anything else is looked at. Deletes,
# reads, compactions and the ends of leases go on.
members 1
genesis voters=1
raise 2
grant 7 60
step "put a 1"
activate nospace 1
activate nospace 1
activate nospace 2
alarms
---
accepted 0.0.0
accepted 0.0.1 | done
accepted 0.0.2 | done
accepted 0.0.3 | lease 7 at revision 1
accepted 0.0.4 | after revision 1: put
accepted 0.0.5 | was active: false
accepted 0.0.6 | was active: true
accepted 0.0.7 | was active: false
[Alarm { kind: NoSpace, member: 1 }, Alarm { kind: NoSpace, member: 2 }]

put a 2
step "put a 2 9"
step "keep-value b 0"
grant 8 60
txn "if version = 1 of a" "then delete a" "else put a 2"
txn "then (" "then put a 2" ")"
entry "delete a" "put b 1"
entry "put b 1" "delete a"
---
rejected: the keys take more room than they may: delete some, compact, and end the alarm of that
rejected: the keys take more room than they may: delete some, compact, and end the alarm of that
rejected: the keys take more room than they may: delete some, compact, and end the alarm of that
rejected: the keys take more room than they may: delete some, compact, and end the alarm of that
rejected: the keys take more room than they may: delete some, compact, and end the alarm of that
rejected: the keys take more room than they may: delete some, compact, and end the alarm of that
rejected: the keys take more room than they may: delete some, compact, and end the alarm of that
rejected: the keys take more room than they may: delete some, compact, and end the alarm of that

txn "if version = 1 of a" "then get a" "else delete a"
query a
delete a
compact 3
revoke 7
sweep
deactivate nospace 1
put a 2
---
accepted 0.0.16 | after revision 2: then [range]
revision 2
a "1" created=2 modified=2 version=1 lease=0
count 1 more false
accepted 0.0.17 | delete revision=3 existed=true
accepted 0.0.18 | done at revision 3
accepted 0.0.19 | revoked at revision 3
accepted 0.0.20 | done at revision 3
accepted 0.0.21 | was active: true
rejected: the keys take more room than they may: delete some, compact, and end the alarm of that

reopen
alarms
deactivate nospace 2
deactivate nospace 2
alarms
put a 2
---
[Alarm { kind: NoSpace, member: 2 }]
accepted 0.0.23 | was active: true
accepted 0.0.24 | was active: false
[]
accepted 0.0.25 | put revision=4 created=true
