members 1
genesis voters=1
raise 2
auth user-add u pw
auth role-add low
auth role-add high
auth grant-role u low
auth grant-role u high
auth permit low read a d
auth permit high readwrite d g
auth permit high write x
auth permit high read zz ".."
who
may u read a
may u read a g
may u read a h
may u read b ".."
may u read zz ".."
may u read zzz
may u write a
may u write d
may u write x
may u write x xx
auth forbid low a c
auth forbid low a d
may u read a
may u read d
auth permit high read d g
may u write d
auth revoke-role u high
may u read d
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
accepted 0.0.8 | done
accepted 0.0.9 | done
accepted 0.0.10 | done
accepted 0.0.11 | done
enabled false revision 10
user u password "pw" since 2 {"high", "low"}
role high ["d g rw", "x w", "zz .. r"]
role low ["a d r"]
yes
yes
no: the user may not do that
no: the user may not do that
yes
yes
no: the user may not do that
yes
yes
no: the user may not do that
rejected: the role has no permission on exactly that range
accepted 0.0.13 | done
no: the user may not do that
yes
accepted 0.0.14 | done
no: the user may not do that
accepted 0.0.15 | done
no: the user may not do that
enabled false revision 13
user u password "pw" since 2 {"low"}
role high ["d g r", "x w", "zz .. r"]
role low []
