"""A test of the project on a live server: env DJANGO_SETTINGS_MODULE=mysite.live_settings python -m mysite.live spawn|fork

It asks for the page and opens a websocket over the network, by hand: a browser is not installed. The page counts a user
whom only the test's database has: a server that asks another one counts none.
"""

import multiprocessing
import socket
import sys
import unittest
import urllib.request

import django
from django.test.utils import get_runner


def socket_opens(address):
    host, _, port = address.partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(
            b"GET /talk/ HTTP/1.1\r\nHost: " + address.encode() + b"\r\n"
            b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
        )
        return connection.recv(100).startswith(b"HTTP/1.1 101 ")


def main(method):
    multiprocessing.set_start_method(method)
    django.setup()
    from channels.testing import ChannelsLiveServerTestCase
    from django.conf import settings
    from django.contrib.auth import get_user_model

    class Live(ChannelsLiveServerTestCase):
        def test_page_and_socket(self):
            get_user_model().objects.create_user("of-the-test")
            address = self.live_server_url
            page = urllib.request.urlopen(address + "/", timeout=10).read().decode()
            self.assertIn("1 users", page)
            self.assertTrue(socket_opens(address.replace("http://", "")))

    runner = get_runner(settings)(interactive=False)
    databases = runner.setup_databases()
    try:
        result = unittest.TextTestRunner().run(unittest.TestSuite([Live("test_page_and_socket")]))
    finally:
        runner.teardown_databases(databases)
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
