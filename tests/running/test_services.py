"""Each service over all hosts."""


def test_as_many_replicas_run_as_are_wanted(running, service, right):
    each = running.services[service]
    said = f": {each.errors[0]}" if each.errors else ""
    fix = f"see {running.verbs['status']}; {running.verbs['restore'].format(service=service, number=each.wanted)} starts them"
    right(
        f"{each.running} of {each.wanted} replicas run{said}; {fix}" if each.running != each.wanted else "",
        service,
    )


def test_every_replica_is_of_the_release_that_serves(running, service, right):
    each = running.services[service]
    old = sorted(each.images - {each.image})
    problem = f"replicas run {', '.join(old)}, wanted {each.image} alone" if old else ""
    if not problem and each.running and each.release != running.release:
        problem = f"is of release {each.release or 'none'}, wanted {running.release}"
    right(
        f"{problem}; a release is under way, or was interrupted: {running.verbs['deploy']}"
        if problem
        else "",
        service,
    )


def test_it_publishes_no_port_of_the_cluster(running, service, right):
    each = running.services[service]
    wrong = running.wrong_ports(service, each.ports)
    fix = f"wanted none but {running.right_ports}; {running.verbs['deploy']} restores it"
    right(f"publishes {', '.join(map(str, wrong))}; {fix}" if wrong else "", service)
