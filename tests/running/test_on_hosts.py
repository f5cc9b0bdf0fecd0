"""Each host, and each service on it."""


def test_the_host_is_in_service(running, node, right):
    state = running.nodes[node]
    fix = "drained: undrain.yml -e node=NAME; down: start it; unknown: bootstrap.yml"
    right("" if state == "Ready Active" else f"its node is {state}, wanted Ready Active; {fix}", node)


def test_every_replica_runs_and_is_healthy(running, place, service, right):
    wrong = [
        f"{each.name} is {each.state} {each.health}".rstrip()
        + (f" ({each.said.strip()[-200:]})" if each.said.strip() else "")
        for each in running.hosts[place]
        if each.service == service and (each.state != "running" or each.health not in ("healthy", ""))
    ]
    fix = f"wanted running and healthy; see its log, and {running.verbs['status']}"
    right(f"{'; '.join(wrong)}; {fix}" if wrong else "", place, service)


def test_nothing_publishes_a_port_that_it_may_not(running, place, right):
    wrong = [
        f"{each.name} publishes {port}"
        for each in running.hosts[place]
        for port in running.wrong_ports(each.service, each.ports)
    ]
    wanted = f"wanted none but {running.right_ports}; {running.verbs['deploy']} restores it"
    right(f"{'; '.join(wrong)}; {wanted}" if wrong else "", place)


def test_it_sends_to_every_replica(running, place, edge, right):
    wrong = running.differing[place]
    fix = "where it stays so for a minute: docker service update --force of that service"
    right(f"{'; '.join(wrong)}; {fix}" if wrong else "", place)
