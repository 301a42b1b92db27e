"""Payments: one read, and a refund that can be made once."""

from headgate.server.demo.servers.serving import READ, Record, Refusal, SampleTool, find, now, writes


def tools() -> tuple[SampleTool, ...]:
    """Make the tools of a fresh payments server: nothing has been refunded yet."""
    refunds: list[Record] = []
    payments: dict[str, Record] = {
        "P-9001": {
            "id": "P-9001",
            "order_id": "A-17",
            "method": "card",
            "card": "Visa, ends in 4242",
            "amount": "103.90",
            "currency": "EUR",
            "status": "captured",
            "refunds": refunds,
        }
    }

    def create_refund(arguments: Record, received_at: str) -> Record:
        payment = find(payments, arguments["payment_id"], "payment")
        if refunds:
            raise Refusal(f"payment {payment['id']} was refunded already, as {refunds[0]['id']}")
        refund = {
            "id": "R-5501",
            "payment_id": payment["id"],
            "amount": payment["amount"],
            "currency": payment["currency"],
            "reason": arguments["reason"],
            "received_at": received_at,
            "recorded_at": now(),
        }
        refunds.append(refund)
        payment["status"] = "refunded"
        return refund

    payment_id = {"payment_id": {"type": "string", "description": "Such as P-9001"}}
    return (
        SampleTool(
            name="get_payment",
            description="A payment: its method, amount, status and refunds.",
            arguments=payment_id,
            annotations=READ,
            takes_s=1.9,
            answer=lambda arguments, _: find(payments, arguments["payment_id"], "payment"),
        ),
        SampleTool(
            name="create_refund",
            description="Refund a payment in full. The money leaves at once.",
            arguments=payment_id | {"reason": {"type": "string"}},
            annotations=writes(destructive=True),
            takes_s=1.1,
            answer=create_refund,
        ),
    )
