"""What `qtasks plugins` offers to those who write plugins: `new` begins a distribution, `check` looks at one.

`templates/` is a real distribution in three kinds, called qtasks-sample; making one is renaming it.
"""
