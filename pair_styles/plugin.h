// Registers a pair style with the LAMMPS that loaded the plugin, or refuses that LAMMPS.
//
// LAMMPS itself only logs that a plugin was built for another version. Here version and integer
// sizes are compared through the C library interface, and the check cannot be skipped.

#pragma once

#include "lammpsplugin.h"

namespace hopkin {

/// Offers `creator` as pair style `name`. If the running LAMMPS is of another version or has other
/// integer sizes than the one this plugin was built against, a creator that stops with one sentence
/// is offered in its place: decks that do not use the style are left alone.
void register_pair_style(const char *name, const char *info, lammpsplugin_factory1 *creator,
                         void *lmp, void *handle, void *regfunc);

}    // namespace hopkin
