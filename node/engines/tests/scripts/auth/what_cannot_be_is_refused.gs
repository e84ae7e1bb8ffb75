members 1
genesis voters=1
raise 2
auth user-add "" pw
auth user-add u pw
auth user-add u pw
auth user-add "<1025bytes>" pw
auth user-delete v
auth password v pw
auth role-add ""
auth role-add r
auth role-add r
auth role-delete s
auth grant-role u s
auth grant-role v r
auth revoke-role u r
auth grant-role u r
auth grant-role u r
auth permit s read a
auth permit r read b a
auth permit r read ""
auth forbid r a
who
---
accepted 0.0.0
accepted 0.0.1 | done
accepted 0.0.2 | done
rejected: no user is named, and this cluster wants to know who asks
accepted 0.0.4 | done
rejected: there is such a user already
rejected: too many users, roles or permissions of one role (there are at most 10000), or too long a name
rejected: there is no such user
rejected: there is no such user
rejected: a role has a name
accepted 0.0.10 | done
rejected: there is such a role already
rejected: there is no such role
rejected: there is no such role
rejected: there is no such user
rejected: the user does not have that role
accepted 0.0.16 | done
accepted 0.0.17 | done
rejected: there is no such role
rejected: root stays as it is while everyone must say who they are, and a permission is on at least one key
rejected: root stays as it is while everyone must say who they are, and a permission is on at least one key
rejected: the role has no permission on exactly that range
enabled false revision 4
user u password "pw" since 2 {"r"}
role r []
