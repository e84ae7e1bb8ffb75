members 1
genesis voters=1
auth enable
raise 2
auth enable
auth user-add root secret
auth enable
auth grant-role root root
put a 1
auth enable
auth enable
put a 2
entry "as cluster" "put a 2"
entry "as root 3" "put a 3"
entry "as root 2" "put a 4"
entry "as nobody 3" "put a 4"
get a
who
entry "as root 3" "disable"
put a 5
who
---
accepted 0.0.0
accepted 0.0.1 | done
rejected: the command needs feature level 2, and the cluster is at 1
accepted 0.0.3 | done
rejected: there is no user root yet: make one first
accepted 0.0.5 | done
rejected: the user root does not have the role root yet: grant it first
accepted 0.0.7 | done
accepted 0.0.8 | put revision=2 created=true
accepted 0.0.9 | done
rejected: no user is named, and this cluster wants to know who asks
rejected: no user is named, and this cluster wants to know who asks
accepted 0.0.12 | put revision=3 created=false
accepted 0.0.13 | put revision=4 created=false
rejected: users or roles changed meanwhile; ask again
rejected: the user may not do that
"3" revision=4 created=2
enabled true revision 3
user root password "secret" since 2 {"root"}
accepted 0.0.16 | done
accepted 0.0.17 | put revision=5 created=false
enabled false revision 4
user root password "secret" since 2 {"root"}
