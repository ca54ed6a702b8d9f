/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The table of health checks in flight, which the addon writes (native/src/checks.cc) and the programs of check.bpf.c
 * read. TypeScript's offsets are generated from its BTF.
 */
#pragma once

#include <linux/types.h>

/* The local ports that checks use, unless the object is loaded with others: behind Linux's own (32768-60999). */
enum check_ports : __u32 {
	CHECK_FIRST_PORT = 61000,
	CHECK_PORTS = 4096,
};

/* One check in flight. Its place in the table is its local port (ping: its identifier) less the first one. */
struct check {
	__u32 vip[4];   /* what stands on the wire; IPv4 in the first word; network byte order */
	__u32 rip[4];   /* what the socket is connected to */
	__u32 local[4]; /* what it is bound to: another socket may have the port at another address */
	__u8 family;    /* 4 or 6; 0: no check has this port. Written last, cleared first */
	__u8 protocol;
	__u16 answered;  /* 1: a packet came back from the VIP */
	__u32 forwarded; /* 1: "time exceeded" came back: the real server forwards what is for the VIP, so it has no VIP
			  */
};

/* The range of ports: fixed when the object is loaded. */
struct check_range {
	enum check_ports first;
	__u32 count; /* the entries of the table */
};
