"""Script highly available iSCSI storage: DRBD, LVM, SCST, Pacemaker and the clients that use them."""
