// Loops over the queries of a pass are unrolled first, so that their sums are in registers. Left to itself, GCC 12
// unrolls the loops inside and around them before, and keeps the sums in memory: half as fast again.
#pragma once

#ifdef __GNUC__
#define UNROLLED _Pragma("GCC unroll 4")
#define NOT_UNROLLED _Pragma("GCC unroll 1")
#else
#define UNROLLED
#define NOT_UNROLLED
#endif
