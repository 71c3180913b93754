/* A small seeded generator (xoshiro256**, Blackman and Vigna 2018), so that results repeat on every
 * machine. One struct is one stream and belongs to one thread. Not for secrets. */
#ifndef NTK_CORE_RANDOM_H
#define NTK_CORE_RANDOM_H

#include <stdint.h>

struct ntk_random {
    uint64_t state[4];
};

void ntk_random_init(struct ntk_random *random, uint64_t seed);

/* All 64-bit values, equally likely. */
uint64_t ntk_random_bits(struct ntk_random *random);

/* Uniform in [0, 1). */
double ntk_random_uniform(struct ntk_random *random);

/* Standard normal. */
double ntk_random_normal(struct ntk_random *random);

/* Chi-square with any degrees of freedom > 0, by rejection (Marsaglia and Tsang 2000). */
double ntk_random_chi_square(struct ntk_random *random, double degrees);

#endif
