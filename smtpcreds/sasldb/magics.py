"""The numbers by which formats are told apart, without loading what reads and writes each."""

# Source: libdb 5.3 ``dbinc/db_page.h``.
BDB_HASH = 0x061561
BDB_BTREE = 0x053162
BDB_QUEUE = 0x042253
BDB_HEAP = 0x074582

# Source: gdbm 1.23 ``gdbmconst.h``.
GDBM = 0x13579ACF
GDBM_OLD = 0x13579ACE
GDBM_SYNC = 0x13579AD1
"""With an extended header, written by programs that open with GDBM_NUMSYNC."""
GDBM_WIDE = (GDBM, GDBM_OLD, GDBM_SYNC)
GDBM_NARROW = (0x13579ACD, 0x13579AD0)
"""Files with 32-bit offsets."""

LMDB = 0xBEEFC0DE
LMDB_AT = 16
