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

/* "BEEL": tells a `control` of Beeline's from anything else. */
enum control_magic : __u32 {
	CONTROL_MAGIC = 0x4245454c,
};

/* Raised when the meaning of the tables changes while their structs do not: another hash, for example. */
enum layout_revision : __u32 {
	LAYOUT_REVISION = 1,
};

/* Keys of hash.h. */
enum hash_secret : __u32 {
	HASH_SECRET_WORDS = 10,
};

/* The word that publishes a configuration, and facts about the tables that every program needs. */
struct control {
	__u32 active; /* the copy that packets read: 0 or 1 */
	enum control_magic magic;
	__u64 layout;     /* fingerprint of all types in this file: maps of another layout are never adopted */
	__u64 generation; /* how often a configuration was published */
	__u32 features;   /* the features that the program in use was loaded with */
	enum layout_revision revision;
	/*
	 * The part of the IPv4 and of the IPv6 flow table that is in use: its buckets - 1, and in the upper half the
	 * same of the part before, while some flows may still stand where they had their places in that. A flow is in
	 * one of the two.
	 */
	__u64 flow_extents[2];
	/* Random: spreads flows and fragments over their tables, for as long as these exist. */
	__u64 hash_secret[HASH_SECRET_WORDS];
	/* By state: the units without a packet after which a flow counts as over; the longest of all services. */
	__u32 flow_timeouts[16];
	__u32 flows_held; /* 1: no packet changes the extents */
	__u32 zero;
};

/*
 * Parts of the program that a configuration may need. They are fixed when the program is loaded: the verifier removes
 * the code of features that are off, so that they cost nothing.
 */
enum feature {
	FEATURE_IPV4 = 1,
	FEATURE_IPV6 = 2,
	FEATURE_VLAN = 4,       /* tags in, and tags out */
	FEATURE_NICS = 8,       /* more than one interface */
	FEATURE_FRAGMENTS = 16, /* later fragments follow the first */
	FEATURE_TTL = 32,       /* some service decrements the TTL */
	FEATURE_DIRECTORS = 64, /* other directors are known, whose frames are never scheduled */
	FEATURE_FLOWS = 128,    /* some service remembers flows, or has another scheduler than an unmoved ring */
};

/* How large the tables are: fixed at load time, so that the verifier knows the bounds. */
struct geometry {
	__u32 services4_shift;  /* 64 - log2(entries of services4) */
	__u32 services6_shift;  /* 64 - log2(entries of services6) */
	__u32 slot_mask;        /* slots - 1 */
	__u32 destination_mask; /* destinations - 1 */
	__u32 service_mask;     /* service numbers - 1 */
	__u32 flows4_mask;      /* buckets - 1 */
	__u32 flows6_mask;
};

/* Numbers that stand in place of a protocol. No packet is scheduled under them (IANA: reserved and experimental). */
enum entry_protocol {
	/* In a service's identity: the address is a mark. */
	PROTOCOL_MARK = 254,
	/*
	 * In a table of services, with port 0: the address is a VIP. The entry has no ring: it tells a VIP's other
	 * traffic from traffic that is not ours at all.
	 */
	PROTOCOL_VIP = 255,
	/* The same for the host's own addresses that are no VIPs: no packet from the network has them as its source. */
	PROTOCOL_OWN = 253,
};

/* Properties of a service, beside its ring. */
enum service_flag : __u8 {
	SERVICE_WILDCARD_TCP = 1, /* in a VIP's entry: a TCP service takes the ports that no other service has */
	SERVICE_WILDCARD_UDP = 2, /* the same for UDP */
	SERVICE_WAITS = 1,        /* in a service's: a destination is held that would take what no other one takes */
	SERVICE_DROP = 4,         /* packets are dropped while no destination takes them */
	SERVICE_TTL = 8,          /* TTL or hop limit is decremented, as a router does */
	SERVICE_TRACK = 16,       /* every flow has an entry */
	SERVICE_POLICY = 32,      /* not every flow has an entry, but `policies` say where each packet goes */
	SERVICE_MOVED = 64,       /* the ring has moved slots: as many words behind it say where each led before */
	/* Of a ghost (POLICY_GHOST) whose flows did not all have entries: TCP in the middle of a flow is taken for one.
	 */
	SERVICE_LINGERS = 128,
};

/* One IPv4 service. The first eight bytes are compared as one word; all zero is an empty entry. */
struct service4 {
	__be32 address;
	__be16 port;
	__u8 protocol; /* IPPROTO_TCP, IPPROTO_UDP, PROTOCOL_VIP or PROTOCOL_OWN; 0 in an empty entry */
	__u8 zero;
	__u32 first;  /* index of the service's first destination */
	__u32 ring;   /* index of the ring's first slot */
	__u16 number; /* the service's number; 0 is for VIPs' traffic to no service */
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
 * stand next to each other in the order that its ring counts in. Destination 0 is none: an empty ring leads to it.
 */
struct destination {
	__u8 mac[6];        /* the real server's; or a number of enum no_mac */
	__u8 source_mac[6]; /* the egress interface's */
	__u32 number;       /* counts its packets, for as long as it exists; 0: takes no packets */
};

/* Stands in place of a MAC, as its 48 bits in memory order: no real server has these. */
enum no_mac {
	NO_MAC_LOCAL = 0, /* the real server is this host */
	NO_MAC_HELD = 1,  /* it is not resolved; its flows wait for it, and their packets are dropped meanwhile */
};

/*
 * Which addresses may be VIPs: a bitmap with one bit set for each VIP's hash, so that one look is enough for traffic
 * that is not for a service, SSH to this host for example.
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

/* Other directors, whose frames are recognized by their source MAC. */
#define MAX_DIRECTORS 6

/* Words of a bitmap that says which clients may be martians: one for each value of a byte. */
#define MARTIAN_WORDS 256

/* How many destinations and slots struct destinations is declared with. */
#define DECLARED_DESTINATIONS 1
#define DECLARED_SLOTS 2

/*
 * The destinations and, since a lookup in another map would cost 2 ns, the rings that lead to them.
 *
 * The three arrays stand one behind the other and are as long as struct geometry says. The struct is declared as it is
 * with one destination and a pool of two slots; with more, what stands behind an array moves accordingly. bpf/ring.h
 * and src/layout/notes.ts find the arrays.
 */
struct destinations {
	__u32 mtu; /* the smallest of all egress interfaces: packets up to that length need no second look */
	__u32 zero;
	__u64 directors[MAX_DIRECTORS]; /* MACs as they stand in a frame, in the lower 48 bits; 0 ends the list */
	__u64 own_mac;                  /* of the only interface, in the lower 48 bits */
	__u64 martians4[MARTIAN_WORDS]; /* which clients may be martians (martian.h) */
	__u64 martians6[MARTIAN_WORDS]; /* entries begin with a cache line */
	struct destination entry[DECLARED_DESTINATIONS];
	/*
	 * The same entries by their numbers, where flows find them although a change may give them other indices. 0: no
	 * destination has that number, or it takes no packets.
	 */
	struct destination numbered[DECLARED_DESTINATIONS];
	/*
	 * All rings, one after another. A slot holds which of the service's destinations it leads to, by their order,
	 * so that services with the same real servers share one ring: a thousand of them stay in the processor's cache.
	 * With SERVICE_MOVED as many words follow that say which destination the slot led to before, or an enum
	 * slot_mark.
	 */
	__u16 slot[DECLARED_SLOTS];
};

/* Stands in place of the destination that a slot led to before. */
enum slot_mark {
	SLOT_MARKED = 0xfffe,  /* some of its flows have entries; those that have none go where the slot leads */
	SLOT_UNMOVED = 0xffff, /* no change touched it: its flows have no entries */
};

/* How packets leave for the destination of the same number: read only with FEATURE_VLAN or FEATURE_NICS. */
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

/* An interface that the program is attached to. 16 bytes are read of each packet; no two cache lines share them. */
struct nic {
	__u32 ifindex;
	__u32 group;
	__u8 mac[6];
	__u16 from_host; /* 1: this host's own packets come by it, and no others */
	/* The director's addresses, from which it answers packets that came by this interface. All zero: none. */
	__be32 address;
	__u32 reserved[3];
	__be32 address6[4];
};

/* How a service's flows find their destination. IPVS's schedulers have the names that they have there. */
enum scheduler : __u8 {
	SCHEDULER_MAGLEV,   /* by the ring, a hash of client address and port */
	SCHEDULER_MH,       /* by IPVS's Maglev table */
	SCHEDULER_SH,       /* by IPVS's table of source hashing */
	SCHEDULER_SEQUENCE, /* rr, wrr and dh: one slot after another */
	SCHEDULER_LC,
	SCHEDULER_WLC,
	SCHEDULER_SED,
	SCHEDULER_NQ,
	SCHEDULER_FO,
	SCHEDULER_OVF,
	SCHEDULER_LBLC,
	SCHEDULER_LBLCR,
	SCHEDULER_TWOS,
};

enum policy_flag : __u8 {
	POLICY_PORT = 1,       /* sh and mh hash the client's port too */
	POLICY_FALLBACK = 2,   /* sh and mh try other slots when the destination that they find takes no flows */
	POLICY_PERSISTENT = 4, /* a client's flows stay together */
	POLICY_ONE_PACKET = 8, /* each packet is scheduled by itself, and nothing is remembered */
	POLICY_GHOST = 16,     /* the service was removed, and flows of it are remembered: it takes no others */
};

/* Facts about a service that scheduling a new flow needs; by service number. */
struct policy {
	enum scheduler scheduler;
	enum policy_flag flags;
	/*
	 * The number of its templates and its cursor: the service's, or the mark's where several services with the same
	 * mark are one to scheduler and persistence.
	 */
	__u16 group;
	__u32 candidates; /* destinations of the service, from its `first` on */
	__u32 length;     /* slots of its table */
	__u32 base;       /* added to the count of a sequence */
	__be32 mask[4];   /* the bits of a client's address that persistence compares */
};

struct policies {
	struct policy entry[0];
};

/* The part of a destination that scheduling needs; at the same index. */
struct candidate {
	__u32 number; /* 0: takes no packets */
	__u32 weight; /* 0: takes no new flows, or no packets at all */
};

/* Schedulers that compare all destinations of a service read so many at a time, maybe past the table's last entry. */
#define CANDIDATES_AT_A_TIME 64

struct candidates {
	struct candidate entry[0];
	struct candidate beyond[CANDIDATES_AT_A_TIME]; /* the last entry */
};

/* How far a service's scheduler has come; by service number. */
struct cursor {
	__u64 count;  /* of flows scheduled, for sequences and draws; lblcr: of destinations that came into use */
	__u32 cached; /* lblc: the number of the destination in use */
	__u32 zero;
};

struct cursors {
	struct cursor entry[0];
};

/* Numbers of the hash functions (hash.h): odd, with well-spread bits. */
/* Not __u64: behind a typedef clang 19 writes 32-bit values into the BTF. */
enum hash_multiplier : unsigned long long {
	MULTIPLIER_1 = 0x9e3779b97f4a7c15, /* 2^64 / golden ratio */
	MULTIPLIER_2 = 0xc2b2ae3d27d4eb4f, /* the second and the third prime of xxHash64 */
	MULTIPLIER_3 = 0x165667b19e3779f9,
};

/* IPVS's sh and dh: the table's size (IP_VS_SH_TAB_SIZE), GOLDEN_RATIO_32 (include/linux/hash.h). */
enum sh {
	SH_SLOTS = 256,
	SH_MULTIPLIER = 0x61c88647,
};

/* IPVS's mh: the table's size by default (IP_VS_MH_TAB_SIZE), and the first key of generate_hash_secret(). */
enum mh : __u32 {
	MH_SLOTS = 4093,
	MH_KEY = 2654435761,
};

/* The classes in which flows are counted. */
enum flow_class {
	FLOW_ACTIVE,
	FLOW_INACTIVE,
	FLOW_PERSISTENT, /* a template */
	FLOW_CLASS_COUNT,
};

/* How loaded a destination is, and how loaded it may be; by its number. All CPUs count here, by atomic operations. */
struct load {
	__u32 flows[FLOW_CLASS_COUNT];
	__u32 upper;    /* threshold: with so many flows no new ones come; 0: none */
	__u32 lower;    /* with less than so many flows new ones come again; 0: three quarters of `upper` */
	__u32 overload; /* 1: it was at `upper`, and not below `lower` since then */
	__u32 member;   /* lblcr: the turn in which it came into use; 0: it is not in use */
	__u32 quiesced; /* 1: its weight is 0 */
};

struct loads {
	struct load entry[0];
};

/*
 * States of flows, as IPVS has them where only the client's half is seen. At most 16: entries have four bits for them.
 *
 * In direct routing no answer is seen, so a few packets may all be forged. The states keep apart how much speaks for a
 * flow: the less, the sooner it gives way to others (enum standing). A flow lasts once it sent in more than one unit of
 * time: its state then is that of a young flow with FLOW_LASTING added. Listings show both under one name.
 */
enum flow_state {
	FLOW_FREE,
	FLOW_SYN_RECV,
	FLOW_UNCONFIRMED,  /* established TCP, one packet of it so far: its handshake's last, or one in its middle */
	FLOW_UDP_NEW,      /* one packet so far */
	FLOW_TEMPLATE_NEW, /* a template none of whose flows was seen twice yet */
	FLOW_UDP,
	FLOW_ESTABLISHED,
	FLOW_TEMPLATE,
	FLOW_BUSY, /* a CPU is writing the entry */
	FLOW_CLOSE,
	FLOW_TIME_WAIT,
	FLOW_FIN_WAIT,
	FLOW_UDP_LASTING = 13,
	FLOW_ESTABLISHED_LASTING,
	FLOW_TEMPLATE_LASTING, /* one of its flows lasts, or its client came back */
};

/*
 * The fields of an entry's data, from the highest bit on: the virtual port (as in the packet, 16 bits), the
 * destination's number (20), the state (4), and the time of the last packet in units of about a second (24: it wraps
 * after half a year).
 */
enum flow_field {
	FLOW_PORT_SHIFT = 48,
	FLOW_NUMBER_SHIFT = 28,
	FLOW_STATE_SHIFT = 24,
	FLOW_NUMBER_MASK = 0xfffff,
	FLOW_STATE_MASK = 0xf,
	FLOW_LASTING = 8, /* the bit of a state by which a flow that lasts differs from a young one */
	FLOW_TIME_MASK = 0xffffff,
};

/*
 * An IPv4 flow: client address, client port and service number; then the fields that flow_data() packs. Any CPU writes
 * entries without a lock: it makes an entry busy by an atomic exchange of its data first and writes the new data last.
 */
struct flow4 {
	__u64 key;
	__u64 data;
};

/* An IPv6 flow: client address; client port and service number. */
struct flow6 {
	__u64 address[2];
	__u64 rest;
	__u64 data;
};

/*
 * A flow stands in one of two buckets. A bucket of either family takes two neighbouring cache lines, which processors
 * fetch together: with eight entries in a bucket a table can be three quarters full before flows find no place.
 */
enum flow_ways {
	WAYS_IPV4 = 8,
	WAYS_IPV6 = 4,
};

struct flows4 {
	struct flow4 entry[0];
};

struct flows6 {
	struct flow6 entry[0];
};

/* Source port, then destination port: the first four bytes of TCP (RFC 9293, 3.1) and of UDP (RFC 768) alike. */
struct ports {
	__be16 source;
	__be16 destination;
};

/* The search from a slot whose destination takes no flows: see schedule_by_slot(). */
struct probe {
	__u32 length; /* slots of the table */
	__u32 slot;   /* where it began */
	__u32 word;   /* mh: the word that is hashed */
	__u32 scheduler;
	__u32 found; /* out: the number of a destination */
};

/* A walk over all destinations: see schedule_scan(). */
struct scan {
	__u32 scheduler;
	__u32 cached; /* lblc: the number of the destination in use */
	__u32 best;   /* the best so far: its number, 0 for none */
	__u32 member; /* the best so far among those in use */
	__u32 joined; /* when that joined */
	__u8 full;    /* whether that has more active flows than its weight */
	__u8 idle;    /* some destination has less active flows than half its weight */
	__u16 zero;
	/* Of both, weight and overhead. */
	__u64 weight;
	__u64 overhead;
	__u64 member_weight;
	__u64 member_overhead;
};

/*
 * Facts about a packet that following its flow needs, and what it finds out: one a CPU, in a map because a program and
 * its functions have 512 bytes of stack together.
 */
struct flow_query {
	__u64 words[3];      /* of the flow's key */
	__u64 hash;          /* for the ring */
	__u64 flow_hash;     /* for the flow table */
	__u64 data;          /* of the flow's entry that was found */
	__u64 template_data; /* of the template's entry that was found */
	__u32 first;         /* as in struct match */
	__u32 ring;
	__u32 copy;
	__u32 now;
	__u16 port; /* the virtual one, as in the packet */
	__u16 service;
	__u8 shift;
	__u8 flags;
	__u8 event;
	__u8 is_ipv6;
	__u8 opens;       /* found out: it began a flow */
	__u8 verdict;     /* found out: why there is no destination */
	__u8 diverted;    /* found out: its slot's destination is at its threshold, and it went to another */
	__u8 crowded;     /* found out: no entry that its flow could have is free, so its hash schedules it */
	__u32 first_went; /* as in struct packet */
	__u32 found;      /* found out: 1 + the index of the flow's entry; 0: none */
	__u32 previous;   /* found out: the number of the destination that the slot led to before; 0: none */
	__u32 scheduler;  /* an enum scheduler: the service's, or where its flow is crowded, the one in its place */
	__u32 from_host;  /* as in struct delivery */
	/* Out of the frame of an unusual packet. */
	__u64 client[2];
	struct ports ports;
	struct probe probe;
	struct scan scan;
	__u64 reserved[7]; /* no two CPUs' share a cache line, nor the pair of lines that are fetched together */
};

/* Counts of what one CPU did to the flow tables. */
struct flow_counter {
	__u64 stored;
	__u64 evicted; /* flows whose entries others took before they were over */
	__u64 refused; /* flows that found no room, because all others last and sent a short time ago */
	__u64 zero;
};

/* log2 of how many entries the table of interfaces has. */
#define NIC_BITS 8

/*
 * The MAC of a device above an interface, a macvlan or bridge for example, that has a VIP; or of a virtual router of
 * which this director is a standby.
 */
struct mac_above {
	__u64 mac;     /* as it stands in a frame, in the lower 48 bits; 0 ends the list */
	__u32 ifindex; /* of the interface that its frames come by */
	__u32 standby; /* 1: of such a router. Packets of services that come to it are dropped */
};

/* VRRP has 255 virtual MACs of each family in a network. */
#define MAX_MACS_ABOVE 512

/*
 * How many VLANs there is room for: two to the power of so many steps of a search. A VLAN is a word: the tag's id with
 * the bit of an 802.1ad tag, and of two tags the outer one's in the upper half.
 */
#define VLAN_STEPS 12
#define MAX_VLANS (1 << VLAN_STEPS)
#define VLAN_SERVICE_TAG 0x1000

/* All interfaces, each where its index times the multiplier falls: the control plane finds one without collisions. */
struct nics {
	__u32 multiplier;
	__u32 first;      /* the place of the first interface */
	__u32 every_vlan; /* 1: frames of every VLAN are the director's */
	__u32 vlan_step;  /* the search's first: half of the power of two that all VLANs fit in; 0: one VLAN or none */
	struct nic entry[1 << NIC_BITS];
	struct mac_above above[MAX_MACS_ABOVE];
	__u32 vlans[MAX_VLANS]; /* the director's, in order; behind the last one words that are greater than all */
};

/* Buckets that limit the answers to one client each, and how their words are split: a hash of the client, and a time.
 */
enum answer_bucket {
	ANSWER_BITS = 12,      /* log2 of how many buckets there are */
	ANSWER_TIME_BITS = 40, /* in milliseconds: 34 years */
	ANSWER_BURST = 6, /* answers at once to one client: the kernel's XRLIM_BURST_FACTOR (net/ipv4/inetpeer.c) */
};

/*
 * The limits of the director's ICMP errors, with the meaning of the kernel's settings, and what is left of them: the
 * time from which on a bucket is full.
 */
struct answers {
	__u32 interval_ms[2];   /* between answers to one client, IPv4 and IPv6; 0: no limit */
	__u32 limited_types[2]; /* bits of the ICMP types that are limited */
	__u32 all_interval_us;  /* between answers to all clients; 0: no limit */
	__u32 all_burst;        /* answers at once to all clients */
	__u64 all;
	__u64 client[1 << ANSWER_BITS];
};

/* The tables of fragmented packets. */
enum fragment_table {
	FRAGMENT_BITS = 10,        /* log2 of the buckets */
	FRAGMENT_WAYS = 4,         /* entries of a bucket */
	FRAGMENT_SECONDS = 30,     /* in units of about a second; the kernel's net.ipv4.ipfrag_time */
	FRAGMENT_TIME_MASK = 0xff, /* an entry has 8 bits for the time */
};

/*
 * A fragmented IPv4 packet: source and destination address; then id, protocol, time and the first fragment's ports;
 * then the number of the destination that the first fragment went to, where no flow's entry and no slot tells it. Any
 * CPU writes it without a lock: the first word is stored XORed with the others, so that an entry of which another CPU
 * wrote a part matches no packet (R. Hyatt's lockless hashing).
 */
struct fragment4 {
	__u64 words[4];
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

/* The ring buffer of fragments that came before their first one. */
enum early {
	EARLY_RING_BYTES = 1 << 21,
	EARLY_FRAME_BYTES = 9216, /* an MTU of 9,000 and all that can stand before the packet */
};

/* A record of that ring buffer; it ends where the frame ends. */
struct early_fragment {
	__u64 time_ns; /* when it came: bpf_ktime_get_coarse_ns(), CLOCK_MONOTONIC */
	__u32 ifindex; /* the interface that it came by */
	__u32 zero;
	__u8 frame[EARLY_FRAME_BYTES];
};

/* The owner of a service number or a destination number: with it a restarted control plane finds them again. */
struct identity {
	__u8 address[16]; /* IPv4 in the first four bytes */
	__be16 port;
	__u8 protocol; /* 0: the number is free */
	__u8 family;   /* 4 or 6 */
	__u16 service; /* of a destination: its service's number */
	__u16 zero;
};

/* Counts of what one CPU sent to one destination. */
struct counter {
	__u64 packets;
	__u64 bytes; /* IP lengths, as IPVS counts them */
	__u64 flows; /* begun: SYNs, and UDP flows when they are first stored */
	__u64 zero;
};

struct counters {
	struct counter entry[0];
};

/* Enums that no table has a member of. A variable of this type brings them into the BTF, for TypeScript. */
struct constants {
	enum feature feature;
	enum entry_protocol entry_protocol;
	enum slot_mark slot_mark;
	enum no_mac no_mac;
	enum flow_class flow_class;
	enum flow_state flow_state;
	enum flow_field flow_field;
	enum flow_ways flow_ways;
	enum fragment_table fragment_table;
	enum early early;
	enum answer_bucket answer_bucket;
	enum hash_multiplier hash_multiplier;
	enum sh sh;
	enum mh mh;
};
