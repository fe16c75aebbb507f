"""What the tools that make traffic share: stacks of servers, marks in texts, exact accounting, the machine."""
