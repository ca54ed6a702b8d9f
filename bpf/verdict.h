/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Every way a packet can end, in one enum: forwarded, passed up, or dropped, and why.
 *
 * The names reach TypeScript, the listings and the documentation through BTF: VERDICT_NO_SERVICE is shown as
 * `no-service`. A new reason is a line here and a line in docs/verdicts.md; a test holds the two together.
 */
#pragma once

#include <linux/types.h>

enum verdict {
	VERDICT_FORWARDED,      /* sent to a real server; counted with its destination */
	VERDICT_REDIRECTED,     /* the same, through another interface than it came by */
	VERDICT_LOCAL,          /* the real server is this host: passed up; counted with its destination */
	VERDICT_NOT_OURS,       /* for no VIP: passed up untouched and not counted, it costs nothing */
	VERDICT_NO_SERVICE,     /* a VIP, but no service has this protocol and port: passed up */
	VERDICT_NO_DESTINATION, /* no destination of the service takes the packet: answered with port unreachable */
	VERDICT_DROPPED,        /* no destination of the service takes it, and the service is configured to drop then */
	VERDICT_OTHER_HOST,     /* the frame is addressed to another host's MAC, or to many: passed up */
	VERDICT_NOT_MASTER,     /* the frame is to a virtual router of which this director is a standby: dropped */
	VERDICT_OTHER_VLAN,     /* the frame is in a VLAN that is not the director's: passed up */
	VERDICT_FROM_DIRECTOR,  /* another director sent it here, to a real server: passed up, never scheduled again */
	/* It came from the real server that it would go to: passed up, it is for this host. */
	VERDICT_FROM_REAL_SERVER,
	VERDICT_MARTIAN,        /* its source, or the client of an ICMP error, cannot be: dropped, as Linux does */
	VERDICT_ICMP,           /* ICMP to a VIP other than errors about a flow, echo for example: passed up */
	VERDICT_OTHER_PROTOCOL, /* to a VIP, neither TCP nor UDP nor ICMP: passed up */
	VERDICT_FRAGMENT,       /* any fragment while fragments are off: dropped */
	VERDICT_EXTENSION,      /* too many IPv6 extension headers, or a routing header with segments left: passed up */
	VERDICT_TOO_LONG,       /* longer than the MTU of the interface it would leave by: answered with that MTU */
	VERDICT_TTL, /* TTL or hop limit is at its end, and the service decrements it: answered with time exceeded */
	VERDICT_NO_EGRESS,      /* no interface to leave by, or no room for a tag: answered with host unreachable */
	VERDICT_NO_FLOW,        /* a TCP packet in the middle of a flow that is not known: passed up, the host resets */
	VERDICT_FLOWS_FULL,     /* a new flow that lost its entry to another CPU's: dropped, the client tries again */
	VERDICT_SERVICE_GONE,   /* of a known flow whose service was removed: dropped, as in IPVS, until it is over */
	VERDICT_TRUNCATED,      /* a VIP's packet whose headers are cut off: dropped */
	VERDICT_MALFORMED,      /* a VIP's packet whose IP header contradicts itself: passed up */
	VERDICT_UNRESOLVED,     /* the real server of its flow, or all that could take it, are not resolved: dropped */
	VERDICT_LIMITED,        /* an answer is due, but the rate of answers is limited, as the kernel's is: dropped */
	VERDICT_UNANSWERED,     /* cannot go on, and there must or can be no answer (answer.h): dropped */
	VERDICT_NOT_FRAGMENTED, /* too long, and may be fragmented, which the director does not do: dropped */
	VERDICT_EARLY,          /* a fragment before its first one: the daemon may send it after that (early.h) */
	VERDICT_COUNT,
};

/* Never read: brings the enum's names to user space, as BTF. */
const volatile enum verdict verdict_names = VERDICT_FORWARDED;

/* One CPU's verdicts for one service, other than to send. The rows of destinations count the packets that were sent. */
struct service_verdicts {
	__u64 count[VERDICT_COUNT];
};

struct verdicts {
	struct service_verdicts service[0];
};
