/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The tables by which the host's own connections reach its services (docs/adr/0035): the daemon writes them, and the
 * programs of host.bpf.c read them. TypeScript's offsets are generated from their BTF.
 */
#pragma once

#include <linux/types.h>

/*
 * Stand-in addresses. To the kernel, the host's connections go to the stand-in of a VIP, and come from the host's
 * stand-in; on the wire there are VIP and host. No network has these addresses: IPv4's are reserved (RFC 1112, 4), and
 * those of IPv6 are for packets that every router drops (RFC 6666).
 */
enum host_number : __u32 {
	/* 240.66.0.0/16 and the number of the VIP; 100::1:0:0/96 and the number. */
	HOST_STAND_IN4 = 0xf0420000,
	HOST_STAND_IN6_FIRST = 0x01000000,
	HOST_STAND_IN6_THIRD = 1,
	/* The numbers of the host itself, and of the first VIP. */
	HOST_ITSELF = 1,
	HOST_FIRST_VIP = 16,
	HOST_LAST_VIP = 0xfffe,
	/*
	 * What the host's connections come from when a service has this host as its real server: 240.67.0.2,
	 * 100::2:0:2.
	 */
	HOST_CLIENT4 = 0xf0430002,
	HOST_CLIENT6_THIRD = 2,
	HOST_CLIENT6_FOURTH = 2,
};

/* A VIP (port and protocol 0), or a service of it; port 0 alone: every port that has no service. */
struct host_key {
	__u32 address[4]; /* IPv4 in the first word */
	__be16 port;
	__u8 protocol;
	__u8 family;
};

struct host_value {
	__u32 number;   /* the VIP's, and so its stand-in's */
	__u32 is_asked; /* 0: the service was removed, and takes no other connections than those that it has */
};

/* The VIP with a number. */
struct host_vip {
	__u32 address[4];
	__u32 family;
};

/* Words of the bitmap of VIPs. */
#define HOST_FILTER_WORDS 64

struct host {
	__u64 netns_cookie; /* of the director's network namespace */
	__u64 filter[HOST_FILTER_WORDS];
	__u32 address4[4]; /* the host's own, at which real servers reach it; zero: none */
	__u32 address6[4];
	__u32 ifindex; /* the interface by which stand-ins are reached */
	__u8 mac[6];
	__u16 zero;
};
