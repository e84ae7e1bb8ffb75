members 1
genesis voters=1
raise 2
auth user-add root secret
auth role-add root
auth grant-role root root
auth user-add u pw
auth enable
entry "as root 5" "user-delete root"
entry "as root 5" "role-delete root"
entry "as root 5" "revoke-role root root"
entry "as u 5" "grant-role u root"
entry "as u 5" "disable"
auth disable
entry "as root 5" "password u other"
entry "as root 6" "user-add c"
entry "as root 7" "password c pw"
entry "as root 8" "role-delete none"
who
persist
crash
who
---
accepted 0.0.0
accepted 0.0.1 | done
accepted 0.0.2 | done
accepted 0.0.3 | done
accepted 0.0.4 | done
accepted 0.0.5 | done
accepted 0.0.6 | done
accepted 0.0.7 | done
rejected: root stays as it is while everyone must say who they are, and a permission is on at least one key
rejected: root stays as it is while everyone must say who they are, and a permission is on at least one key
rejected: root stays as it is while everyone must say who they are, and a permission is on at least one key
rejected: the user may not do that
rejected: the user may not do that
rejected: no user is named, and this cluster wants to know who asks
accepted 0.0.14 | done
accepted 0.0.15 | done
accepted 0.0.16 | done
rejected: there is no such role
enabled true revision 8
user c password none since 8 {}
user root password "secret" since 2 {"root"}
user u password "other" since 6 {}
role root []
enabled true revision 8
user c password none since 8 {}
user root password "secret" since 2 {"root"}
user u password "other" since 6 {}
role root []
