"""Orders and customers: two reads, and a note that can be added to an order."""

from headgate.server.demo.servers.serving import READ, Record, SampleTool, find, now, writes


def tools() -> tuple[SampleTool, ...]:
    """Make the tools of a fresh orders server: nobody has added a note yet."""
    notes: list[Record] = []
    orders: dict[str, Record] = {
        "A-17": {
            "id": "A-17",
            "customer_id": "C-204",
            "payment_id": "P-9001",
            "placed_on": "2026-11-02",
            "items": [
                {"sku": "LAMP-12", "name": "Desk lamp, brass", "quantity": 1, "price": "89.00"},
                {"sku": "BULB-E27", "name": "LED bulb E27, warm", "quantity": 2, "price": "7.45"},
            ],
            "total": "103.90",
            "currency": "EUR",
            "status": "shipped",
            "notes": notes,
        }
    }
    customers: dict[str, Record] = {
        "C-204": {"id": "C-204", "name": "Ines Moreau", "since": "2021-03-14", "orders": 12, "refunds": 0}
    }

    def add_note(arguments: Record, received_at: str) -> Record:
        find(orders, arguments["order_id"], "order")
        note = {
            "id": f"N-{len(notes) + 1}",
            "text": arguments["text"],
            "received_at": received_at,
            "recorded_at": now(),
        }
        notes.append(note)
        return note

    order_id = {"order_id": {"type": "string", "description": "Such as A-17"}}
    return (
        SampleTool(
            name="get_order",
            description="An order: its items, total, status, customer, payment and notes.",
            arguments=order_id,
            annotations=READ,
            takes_s=1.4,
            answer=lambda arguments, _: find(orders, arguments["order_id"], "order"),
        ),
        SampleTool(
            name="get_customer",
            description="A customer, with the number of orders and of refunds so far.",
            arguments={"customer_id": {"type": "string", "description": "Such as C-204"}},
            annotations=READ,
            takes_s=1.6,
            answer=lambda arguments, _: find(customers, arguments["customer_id"], "customer"),
        ),
        SampleTool(
            name="add_note",
            description="Add a note to an order. Each call adds one.",
            arguments=order_id | {"text": {"type": "string"}},
            annotations=writes(destructive=False),
            takes_s=0.7,
            answer=add_note,
        ),
    )
