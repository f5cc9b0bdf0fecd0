from channels.generic.websocket import JsonWebsocketConsumer

from .tasks import print_letter


class Desk(JsonWebsocketConsumer):
    groups = ["desks"]

    def receive_json(self, content):
        print_letter.delay(content["message"])

    def printed(self, event):
        self.send_json({"message": event["text"]})
