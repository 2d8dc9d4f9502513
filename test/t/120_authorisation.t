# SPDX-License-Identifier: PostgreSQL
# test/authz/matrix.tsv, cell by cell: who may do what over HTTP, with tickets, by SQL functions and on relations. Each HTTP
# cell has a group (and share and inquiry) of its own, made beforehand, so that cells can change what they like; all requests
# go over one connection. GS_AUTHZ_SHOW=FILE writes the rows as they came out, for whoever adds one.
use GroupShare::Test;
use GroupShare::Authz;

my $matrix = read_matrix(root() . '/test/authz/matrix.tsv');
my $cs     = new_control_server(name => 'cs1', conf => { 'groupshare.session_lifetime' => '10min' });
my @device = map { add_device(servers => [$cs], name => $_, location => 'eu/de/b') } qw(d1 d2);
my $gateway = start_gateway(servers => [$cs]);
my $cells   = 0;

# Nothing without a row ------------------------------------------------------------------------------------------------

sub missing {
    my ($what, $there, $rows) = @_;
    my %row = map { $_->{action} => 1 } @{ $matrix->{$rows} };
    my %is  = map { $_ => 1 } @{$there};
    cmp_ok(scalar @{$there}, '>', 2, "$what are found");
    is_deeply([ grep { !$row{$_} } @{$there} ], [], "$what without a row in test/authz/matrix.tsv: none");
    is_deeply([ grep { !$is{$_} && !$is{s/^HEAD/GET/r} } sort keys %row ], [], "rows for $what that are gone: none");
    return;
}
missing('routes of the gateway', [ map { routes_in($_) } 'gateway/routes.c', 'daemon/builtin.c' ], 'http');
missing('routes of the storage daemon', [ routes_in('storaged/routes.c') ], 'ticket');
missing('functions',
    [ split /\n/, $cs->sql(q{SELECT DISTINCT CASE prorettype WHEN 'trigger'::regtype THEN 'trigger *' ELSE proname END FROM pg_proc WHERE pronamespace = 'groupshare'::regnamespace ORDER BY 1}) ],
    'function');
missing('functions of devices',
    [ split /\n/, $cs->sql(q{SELECT DISTINCT proname FROM pg_proc WHERE pronamespace = 'groupshare'::regnamespace AND proname LIKE 'device\_%' ORDER BY 1}) ],
    'device');

# Over HTTP ------------------------------------------------------------------------------------------------------------

my $world = prepare($cs, $matrix->{http});
my @requests;
for my $cell (@{ $world->{cells} }) {
    my $row  = $cell->{row};
    my $path = $row->{action};
    my %value = map { split /=/, $_, 2 } split /&/, fill($cell, $row->{values});
    my ($method, $target) = split / /, $path;
    $target =~ s/\{(\w+)\}/uri_escape(delete $value{$1})/ge;
    my $query = join '&', map { "$_=" . uri_escape($value{$_}) } sort keys %value;
    push @requests, {
        method => $method, url => $gateway->url . $target . (length $query ? "?$query" : ''),
        token => $cell->{session}, body => fill($cell, $row->{body}) };
}
my @replies = http_batch(@requests);
is(scalar @replies, scalar @requests, 'every request has an answer');
my %wrong;
for my $i (0 .. $#replies) {
    my ($cell, $reply, $request) = ($world->{cells}[$i], $replies[$i], $requests[$i]);
    # Whether the answer tells of the group or the share what the request did not say.
    my $seen = grep { index($reply->{body}, $_) >= 0 && index("$request->{url} " . ($request->{body} || ''), $_) < 0 }
        @{$cell}{qw(name share_name group share)};
    my $code  = $reply->{body} =~ /"code":\s*"(\w+)"/ ? $1 : '-';
    my $shown = $reply->{status} < 400 ? $reply->{status} . ($seen ? '+' : '-') : "$reply->{status} $code" . ($seen ? '+' : '');
    judge($cell->{row}, $cell->{actor}, $shown);
}

# With tickets, on a device --------------------------------------------------------------------------------------------

for my $cell (ticket_cells($cs, \@device, $matrix->{ticket})) {
    my ($method) = split / /, $cell->{row}{action};
    my $reply = http($method, $cell->{url}, (defined $cell->{ticket} ? (token => $cell->{ticket}) : ()),
        ($method eq 'PUT' ? (body => 'x', headers => [ 'content-type' => 'application/octet-stream' ])
            : $method eq 'PATCH' ? (body => 'x', headers => [
                'content-type' => 'application/offset+octet-stream', 'tus-resumable' => '1.0.0', 'upload-offset' => 0 ])
            : ()));
    my $code = $method eq 'HEAD' || $reply->{status} < 400 ? '' : " $reply->{json}{code}";
    judge($cell->{row}, $cell->{actor}, "$reply->{status}$code");
}

# By SQL ---------------------------------------------------------------------------------------------------------------

judge(@{$_}) for sql_cells($cs, \@device, $matrix);

sub judge {
    my ($row, $actor, $shown) = @_;
    my $expected = $row->{expected}{$actor};
    $row->{shown}{$actor} = $shown;
    return if $expected eq '.';
    $cells++;
    my $whole = exists $matrix->{legend}{$expected} ? $matrix->{legend}{$expected} : $expected;
    $shown =~ s/[-+]$// if $whole =~ /^\d+$/;
    push @{ $wrong{"$row->{action} $row->{values} $row->{body} $row->{state}"} }, "$actor: $shown instead of $whole"
        if $shown ne $whole;
    return;
}
for my $kind (qw(http ticket device function relation)) {
    for my $row (@{ $matrix->{$kind} }) {
        my $name  = "$row->{action} $row->{values} $row->{body} $row->{state}";
        my $found = delete $wrong{$name};
        ok(!$found, "$kind $name") or diag(join "\n", @{$found});
    }
}
cmp_ok($cells, '>=', 600, "$cells cells");
spit($ENV{GS_AUTHZ_SHOW}, show_matrix($matrix)) if $ENV{GS_AUTHZ_SHOW};

done_testing;
