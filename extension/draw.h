/* SPDX-License-Identifier: PostgreSQL */
/*
 * The backend's random numbers for placement.
 */
#ifndef GS_DRAW_H
#define GS_DRAW_H

/* In [0, 1). A set groupshare.placement_seed makes the draws repeatable from the moment it is set. A GsDraw. */
double gs_draw(void *unused);

#endif
