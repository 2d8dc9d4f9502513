# SPDX-License-Identifier: PostgreSQL
#
# The system that `make up` and `make demo` show: control servers cs1 and cs2, one gateway for both, three devices in
# three places that both servers may use.
package GroupShare::Playground;

use strict;
use warnings;
use Exporter qw(import);
use GroupShare::System;

our @EXPORT_OK = qw(playground);

my @DEVICES = ([ berlin => 'eu/de/berlin' ], [ paris => 'eu/fr/paris' ], [ tokyo => 'as/jp/tokyo' ]);

# playground($say[, setting => value ...]): {servers => [cs1, cs2], devices => [...], gateway}; $say->(text) before each step.
sub playground {
    my ($say, %conf) = @_;
    my @servers;
    for my $name (qw(cs1 cs2)) {
        $say->("control server $name: a PostgreSQL cluster with the extension");
        push @servers, new_control_server(name => $name, conf => \%conf);
    }
    link_servers(@servers);
    my @devices;
    for my $device (@DEVICES) {
        $say->("storage device $device->[0] in $device->[1], announced to both");
        push @devices, add_device(servers => \@servers, name => $device->[0], location => $device->[1]);
    }
    $say->('gateway');
    return { servers => \@servers, devices => \@devices, gateway => start_gateway(servers => \@servers) };
}

1;
