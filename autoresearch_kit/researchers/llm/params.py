"""Messages and tools as openai's client takes them."""

from openai.types.chat import (
    ChatCompletionFunctionToolParam,
    ChatCompletionMessageFunctionToolCallParam,
    ChatCompletionMessageParam,
)

from autoresearch_kit.researchers.llm.messages import Message, Role, Tool, ToolCall


def message_param(message: Message) -> ChatCompletionMessageParam:
    """A message as the client takes it."""
    match message.role:
        case Role.SYSTEM:
            return {"role": "system", "content": message.text}
        case Role.USER:
            return {"role": "user", "content": message.text}
        case Role.TOOL:
            return {"role": "tool", "content": message.text, "tool_call_id": message.call_id}
        case Role.ASSISTANT if message.calls:
            calls = [_call_param(call) for call in message.calls]
            return {"role": "assistant", "content": message.text, "tool_calls": calls}
        case Role.ASSISTANT:
            return {"role": "assistant", "content": message.text}


def _call_param(call: ToolCall) -> ChatCompletionMessageFunctionToolCallParam:
    return {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    }


def tool_param(tool: Tool) -> ChatCompletionFunctionToolParam:
    """A tool as the client takes it."""
    return {
        "type": "function",
        "function": {
            "name": tool.name,
            "description": tool.description,
            "parameters": dict(tool.parameters),
        },
    }
