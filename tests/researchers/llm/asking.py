"""What is asked, and how, where tests ask an endpoint."""

from autoresearch_kit.records import Research
from autoresearch_kit.researchers.llm.endpoint import Endpoint
from autoresearch_kit.researchers.llm.messages import Message, Role, Tool
from autoresearch_kit.retry import Patience
from tests.researchers.llm import server
from tests.researchers.llm.server import Answer, ChatServer

KEY = "sk-planted-0123456789"
QUICK = Patience(tries=3, first=0.001, longest=0.002, most=5.0, timeout=20.0)
ASKED = [Message(Role.SYSTEM, "be brief"), Message(Role.USER, "hello")]
TOOL = Tool("read_cell", "Read a cell.", {"type": "object", "properties": {}})
FINE = server.text("fine")


def endpoint(chat: ChatServer, key: str = KEY, patience: Patience = QUICK) -> Endpoint:
    return Endpoint(Research("gpt", base_url=chat.url), key, patience)


def answering(chat: ChatServer, *answers: Answer) -> Endpoint:
    chat.script = server.in_turn(*answers)
    return endpoint(chat)
