"""Who may do what; secrets; the audit trail."""
