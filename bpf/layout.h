/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The tables that the control plane fills and the program reads: every struct that crosses between the two.
 *
 * TypeScript's offsets and sizes are generated from this file's BTF (scripts/build), so a struct is declared here
 * and nowhere else. Each table stands in its map twice, as copy 0 and copy 1: packets read the copy that
 * `control.active` names, the control plane writes the other and then flips that one word.
 *
 * An array of length 0 gets its real length when the object is loaded (struct geometry). One map element holds a
 * whole copy because a lookup with a packet-dependent key costs a trip through the stack: 4 ns over random flows,
 * measured; a lookup of the copy does not depend on the packet and is done while the packet's bytes still arrive.
 */
#pragma once

#include <linux/types.h>

/* "BEEL": the first word of a `control` that is ours. */
#define CONTROL_MAGIC 0x4245454cU

/* Raised when what the tables mean changes while their structs do not: another hash, for example. */
enum layout_revision : __u32 {
	LAYOUT_REVISION = 1,
};

/* The word that publishes, and what every program needs to know of the tables it reads. */
struct control {
	__u32 active;     /* the copy that packets read: 0 or 1 */
	__u32 magic;      /* CONTROL_MAGIC */
	__u64 layout;     /* fingerprint of all structs in this file: maps of another layout are never adopted */
	__u64 generation; /* how often a configuration was published */
	__u32 features;   /* those that the program in use was loaded with */
	enum layout_revision revision;
};

/*
 * What the program does beyond the plain case, fixed when it is loaded: the verifier removes the code of features that
 * are off, so that they cost nothing.
 */
enum feature {
	FEATURE_IPV4 = 1,
	FEATURE_IPV6 = 2,
	FEATURE_VLAN = 4,       /* tags in, and tags out */
	FEATURE_NICS = 8,       /* more than one */
	FEATURE_FRAGMENTS = 16, /* later fragments follow the first */
	FEATURE_TTL = 32,       /* some service decrements it */
	FEATURE_DIRECTORS = 64, /* others are known, whose frames are never scheduled */
};

/* How large the tables are: fixed at load time, so that the verifier knows the bounds. */
struct geometry {
	__u32 services4_shift;  /* 64 - log2(entries of services4) */
	__u32 services6_shift;  /* 64 - log2(entries of services6) */
	__u32 slot_mask;        /* slots - 1 */
	__u32 destination_mask; /* destinations - 1 */
	__u32 service_mask;     /* service numbers - 1 */
};

/*
 * The protocol of an entry that marks its address as a VIP (with port 0): a number that no packet is scheduled under
 * (IANA: reserved). The mark has no ring and serves to tell a VIP's other traffic from traffic that is not ours at all.
 */
#define VIP_MARK 255

/* What a matched address, port and protocol means beyond its ring. */
enum service_flag : __u8 {
	SERVICE_WILDCARD_TCP = 1, /* on a VIP's mark: a TCP service takes the ports that no other service has */
	SERVICE_WILDCARD_UDP = 2, /* the same for UDP */
	SERVICE_DROP = 4,         /* packets are dropped while there is nobody to send to */
	SERVICE_TTL = 8,          /* TTL or hop limit is decremented, as a router does */
};

/* One IPv4 service. The first eight bytes are compared as one word; all zero is an empty entry. */
struct service4 {
	__be32 address;
	__be16 port;
	__u8 protocol; /* IPPROTO_TCP, IPPROTO_UDP or VIP_MARK; 0 in an empty entry */
	__u8 zero;
	__u32 first;  /* index of the service's first destination */
	__u32 ring;   /* index of the ring's first slot */
	__u16 number; /* the service's number; 0 is kept for VIPs' traffic to no service */
	__u8 shift;   /* 64 - log2(slots of the ring) */
	enum service_flag flags;
	__u32 reserved[3]; /* so that no entry lies across two cache lines */
};

/* One IPv6 service. The first 20 bytes are compared as two words and a half. */
struct service6 {
	__be32 address[4];
	__be16 port;
	__u8 protocol;
	__u8 zero;
	__u32 first;
	__u32 ring;
	__u16 number;
	__u8 shift;
	enum service_flag flags;
};

/*
 * The part of a destination that packets need: 16 bytes, so that four share a cache line. A service's destinations
 * stand next to each other in the order that its ring counts in. Destination 0 is nobody: what an empty ring leads to.
 */
struct destination {
	__u8 mac[6];        /* the real server's; all zero when the real server is this host */
	__u8 source_mac[6]; /* the egress interface's */
	__u32 number;       /* under which it is counted, for as long as it exists; 0: takes no packets */
};

/*
 * Which addresses may be VIPs: a bitmap with one bit set for each VIP's hash, so that traffic that is not for a
 * service, SSH to this host for example, is let go after one look.
 */
#define VIP_FILTER_BITS 4096

/*
 * A two-choice (cuckoo) hash: a service stands in one of two entries, each found by one multiplication. The control
 * plane draws other multipliers when the services do not fit under these.
 */
struct services4 {
	__u64 multiplier[2]; /* odd */
	__u64 vip_filter[VIP_FILTER_BITS / 64];
	__u64 reserved[6]; /* entries begin with a cache line */
	struct service4 entry[0];
};

struct services6 {
	__u64 multiplier[2];
	__u64 vip_filter[VIP_FILTER_BITS / 64];
	__u64 reserved[6];
	struct service6 entry[0];
};

/* Other directors whose frames are told by their source MAC. */
#define MAX_DIRECTORS 6

struct destinations {
	__u32 mtu; /* the smallest of all egress interfaces: packets up to that length need no second look */
	__u32 zero;
	__u64 directors[MAX_DIRECTORS]; /* MACs as they stand in a frame, in the lower 48 bits; 0 ends the list */
	__u64 reserved;                 /* entries begin with a cache line */
	struct destination entry[0];
	/*
	 * Behind the last entry, since a lookup in another map would cost 2 ns: all rings, one after another. A slot
	 * holds which of the service's destinations it leads to, by their order, so that services with the same real
	 * servers share one ring: a thousand of them stay in the processor's cache.
	 */
	__u16 slot[0];
};

/* The way out to the destination of the same index: looked at with FEATURE_VLAN or FEATURE_NICS alone. */
struct egress {
	__u32 ifindex; /* the interface that packets leave by */
	__u32 group;   /* what that interface belongs to: a bond, or itself */
	__u16 mtu;
	__be16 vlan;       /* the VLAN's id (802.1Q); 0: untagged */
	__be16 outer_vlan; /* the id of the service tag around it (802.1ad); 0: none */
	__u16 zero;
};

struct egresses {
	struct egress entry[0];
};

/* An interface that the program is attached to. */
struct nic {
	__u32 ifindex;
	__u32 group;
	__u8 mac[6];
	__u16 zero;
};

/* log2 of how many entries the table of interfaces has. */
#define NIC_BITS 8

/* All of them, each where its index times the multiplier falls: the control plane finds one under which none collide.
 */
struct nics {
	__u32 multiplier;
	__u32 zero[3];
	struct nic entry[1 << NIC_BITS];
};

/* log2 of the buckets in the tables of fragmented packets, and the entries of a bucket. */
#define FRAGMENT_BITS 10
#define FRAGMENT_WAYS 4

/*
 * A fragmented IPv4 packet: source and destination address, then id, protocol, time and the first fragment's ports.
 * Written by any CPU without a lock: the first word is stored XORed with the second, so that an entry half of which is
 * another's matches no packet (R. Hyatt's lockless hashing).
 */
struct fragment4 {
	__u64 words[2];
};

/* The same for IPv6; the last word is the XOR of all others. */
struct fragment6 {
	__u64 words[8];
};

struct fragments4 {
	struct fragment4 entry[FRAGMENT_WAYS << FRAGMENT_BITS];
};

struct fragments6 {
	struct fragment6 entry[FRAGMENT_WAYS << FRAGMENT_BITS];
};

/* Who a service number or a destination number belongs to: kept so that a restarted control plane finds them again. */
struct identity {
	__u8 address[16]; /* IPv4 in the first four bytes */
	__be16 port;
	__u8 protocol; /* 0: the number is free */
	__u8 family;   /* 4 or 6 */
	__u16 service; /* of a destination: its service's number */
	__u16 zero;
};

/* What one CPU sent to one destination. */
struct counter {
	__u64 packets;
	__u64 bytes; /* IP lengths, as IPVS counts them */
	__u64 flows; /* TCP: SYNs without ACK */
	__u64 zero;
};

struct counters {
	struct counter entry[0];
};
