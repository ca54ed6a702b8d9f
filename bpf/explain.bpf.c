// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * The director's data path a second time, on the same maps: it says what would become of a packet and writes nothing
 * (docs/adr/0014). Only BPF_PROG_RUN runs it; it is never attached.
 */
#define EXPLAIN
#include "director.bpf.c"

SEC("xdp.frags")
int explain(struct xdp_md *context)
{
	return action_of(direct(context));
}
