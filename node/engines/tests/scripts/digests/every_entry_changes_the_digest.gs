digest
members 1
digest
genesis voters=1
digest
put a 1
digest
put a 1
digest
blank
digest
put "" 1
digest
---
0 0000000000000000000000000000000000000000000000000000000000000000
accepted 0.0.0
0 bb224161a0fac83fed2f0779c48bedf06c2438a7f5c282b4ffee43f33742d4ce
accepted 0.0.1 | done
1 7e5029c173e9f7fe36995978b073099225aa4e91e1420daeef4ccab38086fa39
accepted 0.0.2 | put revision=1 created=true
2 40463fbd32c34f3acd0b59e87245d6f5d2e21c18449ede94cee20f963898d3f2
accepted 0.0.3 | put revision=2 created=false
3 9c426ab2fab0b8650ca4783518809b757ad6945888a1742f29e941daad30ea4d
accepted 0.0.4
4 4932b833a6939859163daeeab4cbf71ca7886098b525e3bb422c2b4ede7fb614
rejected: a key has at least one byte
5 c65ac6958fba5f2edb54492e842582024a01fe75dd02707b57143cfe04f319b2
