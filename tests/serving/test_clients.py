"""Shares of clients in the server's limits."""

from hypothesis import given
from hypothesis import strategies as st

from lesionlab.serving.clients import FairLimit, network_of


def test_one_client_gets_half_and_two_a_third_each() -> None:
    limit = FairLimit(90)
    assert [sum(limit.take("a", 1) for _ in range(90)), limit.used] == [45, 45]
    assert limit.take("b", 1)
    shares = FairLimit(90)
    for _ in range(90):
        for client in ("a", "b"):
            shares.take(client, 1)
    assert shares.used == 60


def test_small_requests_of_a_client_with_large_ones_have_room() -> None:
    limit = FairLimit(100)
    assert limit.take("a", 50)
    assert not limit.take("a", 1)
    assert limit.take("a", 1, times_free=3)


def test_a_client_without_anything_may_take_all() -> None:
    assert FairLimit(1).take("a", 1)
    assert FairLimit(64).take("a", 64)
    assert not FairLimit(64).take("a", 65)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 40), st.integers(1, 3)), max_size=40))
def test_limit_holds_and_everything_can_be_given_back(wanted: list[tuple[str, int, int]]) -> None:
    limit = FairLimit(100)
    taken = [(client, n) for client, n, times in wanted if limit.take(client, n, times_free=times)]
    assert limit.used == sum(n for _, n in taken) <= 100
    for client, n in taken:
        limit.give_back(client, n)
    assert limit.used == 0
    assert limit.take("a", 100)


def test_ipv6_customer_is_one_client() -> None:
    assert network_of("2001:db8::1") == network_of("2001:db8::2") != network_of("2001:db8:0:1::1")
    assert network_of("10.0.0.1") == "10.0.0.1"
    assert network_of("testclient") == "testclient"
